# etc: the sample configuration and what systemd needs to know. All of it goes
# below the prefix; systemd looks into /usr and /usr/local alike.

ETC_IN = %D%/postern.service.in %D%/sysusers.conf.in %D%/tmpfiles.conf.in
EXTRA_DIST += $(ETC_IN)
CLEANFILES += %D%/postern.service %D%/sysusers.conf %D%/tmpfiles.conf

sampledir = $(sysconfdir)/postern
dist_sample_DATA = %D%/postern.conf.sample
unitdir = $(prefix)/lib/systemd/system
nodist_unit_DATA = %D%/postern.service

ETC_SUBST = $(SED) \
	-e 's,[@]sbindir[@],$(sbindir),g' \
	-e 's,[@]statedir[@],$(localstatedir)/lib/postern,g' \
	-e 's,[@]rundir[@],$(runstatedir)/postern,g' \
	-e 's,[@]confdir[@],$(sampledir),g'

%D%/postern.service: %D%/postern.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(ETC_SUBST) $(srcdir)/%D%/postern.service.in > $@
%D%/sysusers.conf: %D%/sysusers.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(ETC_SUBST) $(srcdir)/%D%/sysusers.conf.in > $@
%D%/tmpfiles.conf: %D%/tmpfiles.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(ETC_SUBST) $(srcdir)/%D%/tmpfiles.conf.in > $@

# Both want to be called postern.conf where they are installed.
ETC_LIB = $(DESTDIR)$(prefix)/lib
all-local: %D%/sysusers.conf %D%/tmpfiles.conf
install-data-local: %D%/sysusers.conf %D%/tmpfiles.conf
	$(MKDIR_P) "$(ETC_LIB)/sysusers.d" "$(ETC_LIB)/tmpfiles.d"
	$(INSTALL_DATA) %D%/sysusers.conf "$(ETC_LIB)/sysusers.d/postern.conf"
	$(INSTALL_DATA) %D%/tmpfiles.conf "$(ETC_LIB)/tmpfiles.d/postern.conf"
uninstall-local:
	rm -f "$(ETC_LIB)/sysusers.d/postern.conf" "$(ETC_LIB)/tmpfiles.d/postern.conf"
