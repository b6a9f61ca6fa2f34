# what: kill -9 of the owners of four lines at random instants of calls and transfers: always on-hook within a second
# exchange: own
# wiring: labline
# timeout: 900
# needs: tipring
#
# TIPRING_LAB_APPEND="quiet LAB_SEED=2" draws other instants.
. /lab/tipring.sh
rounds=8
seed=${LAB_SEED:-1}
note "seed $seed"
{
	echo 'about = "the lab: somebody calls every 7 s, and finds the line engaged or not"'
	n=0
	while [ $n -lt 90 ]; do
		printf '[[call]]\nat_s = %s.0\nfrom = "5551234"\nhangs_up_after_s = 60.0\n' $((n * 7 + 4))
		n=$((n + 1))
	done
} >often.toml
own_exchange us "$PWD/often.toml" 1 2 3 4

# kills LINE - the owner of that line is killed so many times, 1 to 30 s after it began
kills() {
	awk -v seed="$seed$1" -v n=$rounds 'BEGIN { srand(seed); while (n--) printf "%.2f\n", 1 + 29 * rand() }' >"instants.$1"
	while read -r at; do
		spawn "owner$1" tipring -v --line "dahdi/$(fxo "$1")" answer --transfer-to busy,silent --warm
		sleep "$at"
		was=$(wire_is "$1" fxo)
		since=$(wire_now)
		signal "owner$1" KILL
		POLL=0.01 wait_for 1 on_hook "$1"
		took=$(($(wire_now) - since))
		check_between "line $1 on-hook after $at s ($was before; $(tail -n 1 "owner$1.err" | tr -s ' ')), ms" $took 0 1000
		sleep 1
		stays_on_hook "$1"
	done <"instants.$1"
}
on_hook() { [ "$(wire_is "$1" fxo)" = onhook ]; }

for line in 1 2 3 4; do kills $line & eval "kills$line=$!"; done
# shellcheck disable=SC2154
wait "$kills1" "$kills2" "$kills3" "$kills4"
expect_exit 0 tipring --json calls list --limit 0
json_has out '[.calls[] | select(.state == "under-way")] | length == 0'
json_has out "[.calls[] | select(.state == \"interrupted\" and .in_flight != null)] | length >= $((rounds * 2))"
