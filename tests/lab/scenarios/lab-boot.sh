# what: the guest boots Debian's kernel, keeps virtual time, and has DAHDI's nodes and our tools
# exchange: none
# wiring: labline
check_eq "machine" "$(uname -m)" x86_64
check "DAHDI version" cat /sys/module/dahdi/version
check "channel nodes" test -c /dev/dahdi/channel -a -c /dev/dahdi/ctl -a -c /dev/dahdi/chan/001/001 -a -c /dev/dahdi/chan/002/004
check_eq "spans" "$(ls /proc/dahdi | wc -l)" 2
check_eq "FXO channels in use" "$(grep -c 'FXSKS' /proc/dahdi/2)" 4
check_eq "type of span 1" "$(cat /sys/bus/dahdi_spans/devices/span-1/spantype)" FXS
check_eq "type of span 2" "$(cat /sys/bus/dahdi_spans/devices/span-2/spantype)" FXO
t=$(uptime_ms); w=$(wire_now); sleep 20
check_between "20 s of sleep by the clock, ms" $(($(uptime_ms) - t)) 19980 20060
check_between "20 s of sleep by the card's ticks, ms" $(($(wire_now) - w)) 19980 20060
printf '{"schema":"x/1","n":3}\n' >doc
json_has doc '.schema == "x/1" and .n == 3'
check_not "a false condition is seen" jq -se 'any(.[]; .n == 4)' doc
