#!/bin/sh
# A hundred thousand accounts (check has a thousand).
exec tests/unit/test_accounts 100000
