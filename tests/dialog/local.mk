# dialog: nothing yet
