# what: the analog line that the lab stands on: hook, flash, ring, audio, polarity, voltage, cord
# exchange: none
# wiring: labline
check "FXO port off-hook is seen by the FXS port" sh -c 'labphone 1 event RINGOFFHOOK 3000 params & labphone 5 sleep 200 offhook sleep 800; wait $!'
