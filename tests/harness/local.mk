EXTRA_DIST += %D%/ipc.py %D%/postern.py %D%/sink.py %D%/tap.py
