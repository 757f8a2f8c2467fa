# unit tests of keys
