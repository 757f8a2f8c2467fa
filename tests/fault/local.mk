# What happens when processes are killed and disks misbehave.
FAULT_TESTS = %D%/kill_under_load.py
TESTS += $(FAULT_TESTS)
EXTRA_DIST += $(FAULT_TESTS)
