# unit tests of posternd
