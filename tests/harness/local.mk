EXTRA_DIST += \
	%D%/arrived.py \
	%D%/backends.py \
	%D%/copies.py \
	%D%/ipc.py \
	%D%/net_smtp.pl \
	%D%/nodemailer.js \
	%D%/oidc.py \
	%D%/postern.py \
	%D%/programs.py \
	%D%/provider.mjs \
	%D%/scram.py \
	%D%/sink.py \
	%D%/talk.py \
	%D%/tap.py \
	%D%/trouble.py \
	%D%/worker.py
