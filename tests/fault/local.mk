# What happens when processes are killed, calls fail and the power goes.
FAULT_TESTS = %D%/kill_under_load.py %D%/soak.py %D%/starved.py %D%/inject.py \
	%D%/twice.py %D%/one_hour.sh
STORE_FAULT_TESTS = %D%/test_calls %D%/test_changes %D%/test_clock %D%/test_files %D%/test_first %D%/test_flips %D%/test_kills \
	%D%/test_order %D%/test_power %D%/test_sim
check_PROGRAMS += $(STORE_FAULT_TESTS)
TESTS += $(FAULT_TESTS) $(STORE_FAULT_TESTS)
EXTRA_DIST += $(FAULT_TESTS)

STORE_LONG_TESTS = %D%/long_load.sh %D%/long_hour.sh %D%/long_calls.sh %D%/long_files.sh %D%/long_flips.sh %D%/long_kills.sh \
	%D%/long_power.sh %D%/long_sim.sh %D%/long_day.sh %D%/long_starved.sh \
	%D%/long_soak.sh %D%/long_inject.sh
LONG_TESTS += $(STORE_LONG_TESTS)
EXTRA_DIST += $(STORE_LONG_TESTS)

# What inject.py builds for itself, as it is no part of any program.
EXTRA_DIST += %D%/inject.c

# kill_under_load.py has real processes killed by it.
check_PROGRAMS += %D%/kill_at
%C%_kill_at_SOURCES = %D%/kill_at.c
%C%_kill_at_LDADD = $(SECCOMP_LIBS)

# The store runs between a worker, a judge and a kernel that does as it is told.
FAULT_CALLS = %D%/calls.c %D%/calls.h %D%/turns.c %D%/turns.h
FAULT_WORLD = $(FAULT_CALLS) %D%/world.c %D%/world.h
FAULT_IMAGE = %D%/image.c %D%/image.h
%C%_test_calls_SOURCES = %D%/test_calls.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_calls_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_changes_SOURCES = %D%/test_changes.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_changes_LDADD = $(LIBAUTH) $(LIBSTORE) $(LIBPOSTERN)
%C%_test_clock_SOURCES = %D%/test_clock.c $(FAULT_WORLD)
%C%_test_clock_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_files_SOURCES = %D%/test_files.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_files_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_first_SOURCES = %D%/test_first.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_first_LDADD = $(LIBAUTH) $(LIBSTORE) $(LIBPOSTERN)
%C%_test_flips_SOURCES = %D%/test_flips.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_flips_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_kills_SOURCES = %D%/test_kills.c $(FAULT_WORLD)
%C%_test_kills_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_order_SOURCES = %D%/test_order.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_order_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_power_SOURCES = %D%/test_power.c $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_power_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_sim_SOURCES = %D%/test_sim.c %D%/sim.c %D%/sim.h $(FAULT_IMAGE) $(FAULT_WORLD)
%C%_test_sim_LDADD = $(LIBQUEUE)
