# auth: nothing yet
