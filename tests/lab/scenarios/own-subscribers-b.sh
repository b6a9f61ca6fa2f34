# what: dial's exit code for the well-known subscribers of our own exchange: 5550106 exits 14 5550107 exits 0 5550108 exits 0 5550109 exits 0 5550110 exits 0 5550111 exits 0
# exchange: own
# wiring: labline
# needs: tipring
# timeout: 600
. /lab/tipring.sh
own_exchange us idle 1
for pair in 5550106:14 5550107:0 5550108:0 5550109:0 5550110:0 5550111:0; do
	expect_exit ${pair#*:} t 1 dial --no-answer-after 12s ${pair%:*}
	stays_on_hook 1
	sleep 3
done
