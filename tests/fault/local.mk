# fault: nothing yet
