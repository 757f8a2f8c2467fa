# smtpd: nothing yet
