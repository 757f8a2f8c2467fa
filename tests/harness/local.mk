# harness: nothing yet
