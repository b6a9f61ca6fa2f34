# what: warm transfer past a busy target in Czechia, France and Australia, each by its own recall, tones and caller ID (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
transfer_in cz
transfer_in fr
transfer_in au
