# what: Asterisk as the exchange: dial tone, kernel dialling, an answer, its echo, busy, no answer
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
expect_exit 0 t 1 dial 700
json_has out '[.steps[] | select(.step == "off-hook") | .heard] | any(contains("dial"))'
sleep 3
spawn off labphone 6 offhook sleep 25000
sleep 1
expect_exit 10 t 1 dial 102
sleep 3
expect_exit 11 t 1 dial 103 --no-answer-after 10s
stays_on_hook 1
check "asterisk idle" asterisk_idle
