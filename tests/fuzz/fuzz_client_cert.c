/*
 * A client's certificates, by the last byte: as they are, in DER, of which none
 * is by our CA; or a subjectAltName in DER, in a certificate that our CA signs.
 * Who is named is printable ASCII, and nobody without the CA.
 */
#include "lib/prelude.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "auth/client_cert.h"
#include "lib/ipc_msgs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tls_pairs.h"

#define NOW_MS	1700000000000ULL

const unsigned long fuzz_replay_runs = 3000;

static EVP_PKEY *key;
static X509 *ca;

static void
dated(X509 *cert)
{
	ASN1_TIME_set(X509_getm_notBefore(cert), NOW_MS / 1000 - 3600);
	ASN1_TIME_set(X509_getm_notAfter(cert), NOW_MS / 1000 + 3600);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct client_ca *loaded;
	X509_EXTENSION *ext;
	const char *why;
	char *text;

	key = pair_key("P-256");
	ca = pair_cert(key);
	dated(ca);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
	    "critical,CA:TRUE");
	X509_add_ext(ca, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(ca, key, EVP_sha256());
	PEM_write_bio_X509(bio, ca);
	BIO_write(bio, "", 1);
	BIO_get_mem_data(bio, &text);
	loaded = client_ca_new(text, &why);
	MUST(loaded != NULL);
	client_ca_use(loaded);
	BIO_free(bio);
	return 0;
}

/* A good certificate but for its names. */
static X509 *
with_names(const uint8_t *p, size_t n)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_NAME *subject = X509_NAME_new();
	X509 *cert = pair_cert(key);
	X509_EXTENSION *ext;

	dated(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const uint8_t *)"client", -1, -1, 0);
	X509_set_subject_name(cert, subject);
	ASN1_OCTET_STRING_set(value, p, (int)n);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0,
	    value);
	X509_add_ext(cert, ext, -1);
	X509_sign(cert, key, EVP_sha256());
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	X509_NAME_free(subject);
	return cert;
}

static void
check(const uint8_t *p, size_t n, bool ours)
{
	char name[ACCOUNT_MAX + 1], why[CLIENT_CERT_WHY_MAX];
	const char *c;

	if (!client_cert_name(p, n, NOW_MS, name, why)) {
		MUST(*name == '\0' && *why != '\0');
		return;
	}
	MUST(ours && *name != '\0');
	for (c = name; *c != '\0'; c++)
		MUST(*c > ' ' && *c <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint8_t *der = NULL;
	X509 *cert;
	int len;

	if ((steer(&s) & 1) == 0) {
		check(s.p, s.n, false);
		return 0;
	}
	cert = with_names(s.p, s.n);
	len = i2d_X509(cert, &der);
	MUST(len > 0);
	check(der, (size_t)len, true);
	OPENSSL_free(der);
	X509_free(cert);
	return 0;
}
