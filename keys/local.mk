# keys: nothing yet
