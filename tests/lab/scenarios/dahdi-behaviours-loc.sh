# what: the driver's own tests on cross-connected dahdi_dynamic_loc spans
# exchange: none
# wiring: loc
# needs: dahdi_lab
# timeout: 900
# boot: alone
export TIPRING_IN_LAB=1
dahdi_lab 2>&1 | tee behaviours.out | sed 's/^/     /'
check "every test passed" grep -Eq '^[0-9]+ passed, 0 failed' behaviours.out
