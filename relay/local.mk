# relay: nothing yet
