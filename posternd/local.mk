# posternd: nothing yet
