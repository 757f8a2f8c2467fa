EXTRA_DIST += %D%/worker.py %D%/ipc.py %D%/postern.py %D%/sink.py %D%/tap.py
