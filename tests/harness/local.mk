EXTRA_DIST += \
	%D%/arrived.py \
	%D%/ipc.py \
	%D%/net_smtp.pl \
	%D%/postern.py \
	%D%/programs.py \
	%D%/scram.py \
	%D%/sink.py \
	%D%/tap.py \
	%D%/worker.py
