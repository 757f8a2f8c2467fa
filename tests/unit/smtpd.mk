# unit tests of smtpd
