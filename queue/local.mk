# queue: nothing yet
