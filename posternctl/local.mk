# posternctl: nothing yet
