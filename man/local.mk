# man: the reference, in mdoc.
dist_man_MANS += %D%/posternd.8 %D%/posternctl.8 %D%/postern.conf.5
