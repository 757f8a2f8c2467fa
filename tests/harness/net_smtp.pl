#!/usr/bin/perl
# Submits with Net::SMTP: PLAIN and LOGIN by Authen::SASL, SCRAM by
# Authen::SCRAM.
#
#	net_smtp.pl PORT implicit|starttls CERTIFICATE MECHANISM USER PASSWORD
#	    FROM TO FILE
use strict;
use warnings;
use Authen::SASL qw(Perl);
use Authen::SCRAM::Client;
use MIME::Base64;
use Net::SMTP;

my ($port, $tls, $cert, $mech, $user, $password, $from, $to, $file) = @ARGV;
my %ssl = (SSL_ca_file => $cert, SSL_verify_mode => 1,
    SSL_verifycn_scheme => 'smtp', SSL_hostname => 'localhost',
    SSL_verifycn_name => 'localhost');

sub failed {
	my ($smtp, $what) = @_;
	die "$what: ", ($smtp ? $smtp->code . ' ' . $smtp->message : $@), "\n";
}

# One AUTH exchange by hand: Authen::SASL knows no SCRAM.
sub scram {
	my ($smtp, $digest) = @_;
	my $scram = Authen::SCRAM::Client->new(username => $user,
	    password => $password, digest => $digest);
	my $say = sub {
		$smtp->command(@_)->response;
		return decode_base64(join '', $smtp->message);
	};
	my $first = $say->('AUTH', "SCRAM-$digest",
	    encode_base64($scram->first_msg, ''));
	return 0 if $smtp->code != 334;
	my $final = $say->(encode_base64($scram->final_msg($first), ''));
	return 0 if $smtp->code != 334;
	$scram->validate($final);	# dies if it is not our server
	$say->('');
	return $smtp->code == 235;
}

sub login {
	my ($smtp) = @_;
	return scram($smtp, $1) if $mech =~ /^SCRAM-(.*)/;
	return $smtp->auth(Authen::SASL->new(mechanism => $mech, callback => {
		user => $user, authname => '', pass => $password }));
}

my $smtp = Net::SMTP->new('localhost', Port => $port, Timeout => 60,
    Hello => 'client.example', $tls eq 'implicit' ? (SSL => 1, %ssl) : ())
    or failed(undef, 'connect');
$tls eq 'implicit' or $smtp->starttls(%ssl) or failed($smtp, 'STARTTLS');
login($smtp) or failed($smtp, 'AUTH');
$smtp->mail($from, Bits => '8') or failed($smtp, 'MAIL');
$smtp->to($to) or failed($smtp, 'RCPT');
open my $in, '<:raw', $file or die "$file: $!\n";
my $content = do { local $/; <$in> };
$smtp->data or failed($smtp, 'DATA');
$smtp->datasend($content);
$smtp->dataend or failed($smtp, 'the message');
$smtp->quit;
