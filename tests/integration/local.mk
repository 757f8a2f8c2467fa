# integration: nothing yet
