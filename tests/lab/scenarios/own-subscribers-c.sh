# what: dial's exit code for the well-known subscribers of our own exchange: 5550112 exits 0 5550113 exits 0 5550114 exits 0 5550115 exits 0 5559999 exits 13
# exchange: own
# wiring: labline
# needs: tipring
# timeout: 600
. /lab/tipring.sh
own_exchange us idle 1
for pair in 5550112:0 5550113:0 5550114:0 5550115:0 5559999:13; do
	expect_exit ${pair#*:} t 1 dial --no-answer-after 40s ${pair%:*}
	stays_on_hook 1
	sleep 3
done
