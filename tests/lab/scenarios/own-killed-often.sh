# what: kill -9 of the line owner at half a dozen instants of a call and its transfer: always on-hook within a second
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
{
	echo 'about = "the lab: a call every 45 s"'
	for n in 0 1 2 3 4 5; do printf '[[call]]\nat_s = %s.0\nfrom = "5551234"\nhangs_up_after_s = 60.0\n' $((n * 45 + 4)); done
} >often.toml
own_exchange us "$PWD/often.toml" 1
begun=$(uptime_ms)
for n in 0 1 2 3 4 5; do
	spawn owner tipring -v --line dahdi/5 answer --transfer-to busy,silent --warm
	# 5 to 33 s after the call comes in, never twice the same
	sleep $((5 + (n * 17) % 29)).$((n * 7 % 10))
	since=$(wire_now)
	was=$(wire_is 1 fxo)
	signal owner KILL
	wait_for 2 test -s owner.rc
	if [ "$was" = offhook ]; then on_hook_after 1 1 "$since"; else check_eq "line 1 while it rang" "$(wire_is 1 fxo)" onhook; fi
	note "was $was; last: $(tail -n 1 owner.err)"
	while [ "$(uptime_ms)" -lt $((begun + (n + 1) * 45000)) ]; do sleep 0.2; done
done
expect_exit 0 tipring --json calls list
json_has out '[.calls[] | select(.state == "under-way")] | length == 0'
json_has out '[.calls[] | select(.state == "interrupted" and .in_flight != null)] | length >= 3'
