# what: caller ID from our own exchange: Bell 202 between rings, V.23 after reversal, DTMF before the first ring (Sweden), read on the on-hook FXO port
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
for country in us gb se; do
	sed -i "s/^country.*/country = \"$country\"/" us.toml
	spawn answer tipring --line dahdi/5 --json answer --hangup-after 2s
	sleep 1
	own_exchange $country incoming 1
	exit_of answer 40 0
	json_has answer.out '.caller.number == "5551234"'
	case $country in us) format=bell202;; gb) format=v23;; se) format=dtmf;; esac
	json_has answer.out ".caller.format == \"$format\""
	exchange_down
	stays_on_hook 1
	sleep 4
done
