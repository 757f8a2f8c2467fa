EXTRA_DIST += %D%/postern.py %D%/sink.py %D%/tap.py
