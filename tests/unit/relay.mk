# unit tests of relay
