# what: dial's exit code for the well-known subscribers of our own exchange: 5550100 exits 0 5550101 exits 10 5550102 exits 11 5550103 exits 12 5550104 exits 13 5550105 exits 12
# exchange: own
# wiring: labline
# needs: tipring
# timeout: 600
. /lab/tipring.sh
own_exchange us idle 1
for pair in 5550100:0 5550101:10 5550102:11 5550103:12 5550104:13 5550105:12; do
	expect_exit ${pair#*:} t 1 dial --no-answer-after 12s ${pair%:*}
	stays_on_hook 1
	sleep 3
done
