//! Landlines from the shell.
