# unit tests of queue
