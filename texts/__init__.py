"""What people read: sentences for faults, translations, numbers and dates, cells of CSV files. Knows only facts."""
