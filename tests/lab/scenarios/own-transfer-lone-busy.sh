# what: a lone busy target in ten countries: exit 20, the caller is back
# exchange: own
# wiring: labline
# timeout: 900
# needs: tipring
. /lab/tipring.sh
for country in us gb de se tr cn no cz fr au; do lone_busy_in $country; done
