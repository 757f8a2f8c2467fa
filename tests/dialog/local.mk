# SMTP dialogs as text; run.py says how they are written.
DIALOGS = %D%/basics.dlg %D%/starttls.dlg %D%/auth.dlg %D%/mail.dlg \
	%D%/rcpt.dlg %D%/data.dlg %D%/bdat.dlg %D%/header.dlg %D%/senders.dlg %D%/dsn.dlg \
	%D%/smtputf8.dlg %D%/release.dlg %D%/wishes.dlg %D%/lines.dlg %D%/relay.dlg \
	%D%/verbs.dlg %D%/extensions.dlg
TESTS += %D%/run.py
EXTRA_DIST += %D%/run.py $(DIALOGS)
