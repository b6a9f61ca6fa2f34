# what: a flash too short for this exchange: no recall tone, exit 22, and the caller never left
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
printf 'country = "us"\n[line.short]\nport = "dahdi/5"\nflash_ms = [100]\n' >short.toml
spawn answer tipring --config short.toml --line short --json answer --transfer-to 103 --warm --stay 3s
sleep 1
spawn b labphone 6 offhook hears 350+440 -25 3000 dial T101 sleep 6000 play 1004 -10 40000
exit_of answer 60 22
json_has answer.out '[.steps[] | select(.step == "flash") | .heard] == ["no recall tone"]'
signal b TERM
