# what: a call through Asterisk: ringing, Bell 202 caller ID read on-hook, answered, and the far end's hang-up
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
spawn answer tipring --line dahdi/5 --json answer
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 12000 onhook sleep 500
exit_of b 40 0
exit_of answer 15 0
json_has answer.out '.caller.number == "5551002" and .caller.name == "Lab Two" and .caller.format == "bell202"'
json_has answer.out '[.steps[] | select(.result == "far side hung up")] | length == 1'
stays_on_hook 1
