// A real OpenID provider (npm's oidc-provider) over HTTPS, for tests; see
// oidc.py. Run with one argument, a JSON file:
//
//	modules   where npm has put it
//	port, cert, key, issuer
//	keys      a file with its private keys, made when it is not there
//	clock_ms  by how much its clock is ahead
//	clients   {id: {secret, claims}}: claims go into the tokens it gets
//
// A resource that a token is asked for names its form in its last part:
// https://mail.example.org/ES256 is a JWT for the audience "smtp" signed so,
// .../opaque is none; .../other is a JWT for somebody else.
import { createServer } from "node:https";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const conf = JSON.parse(readFileSync(process.argv[2]));
const real = Date.now;
Date.now = () => real() + conf.clock_ms;

const kinds = [
	["RS256", "rsa", { modulusLength: 2048 }],
	["PS256", "rsa", { modulusLength: 2048 }],
	["ES256", "ec", { namedCurve: "P-256" }],
	["ES384", "ec", { namedCurve: "P-384" }],
	["EdDSA", "ed25519", {}],
];

if (!existsSync(conf.keys)) {
	const born = real();
	writeFileSync(conf.keys, JSON.stringify({ keys: kinds.map(
		([alg, type, options]) => ({
			...generateKeyPairSync(type, options).privateKey
				.export({ format: "jwk" }),
			kid: `${alg}-${born}`, alg, use: "sig",
		})) }));
}

const lib = `${conf.modules}/oidc-provider/lib/index.js`;
const { default: Provider } = await import(pathToFileURL(lib));

const form = (resource) => new URL(resource).pathname.slice(1);
const provider = new Provider(conf.issuer, {
	clients: Object.entries(conf.clients).map(([id, c]) => ({
		client_id: id,
		client_secret: c.secret,
		grant_types: ["client_credentials"],
		redirect_uris: [],
		response_types: [],
	})),
	jwks: JSON.parse(readFileSync(conf.keys)),
	scopes: ["smtp"],
	enabledJWA: { requestObjectSigningAlgValues: ["ES256"] },
	extraTokenClaims: (ctx, token) =>
		conf.clients[token.clientId]?.claims ?? {},
	features: {
		devInteractions: { enabled: false },
		clientCredentials: { enabled: true },
		introspection: { enabled: true },
		revocation: { enabled: true },
		resourceIndicators: {
			enabled: true,
			getResourceServerInfo: (ctx, resource) => ({
				scope: "smtp",
				audience: form(resource) === "other" ?
					"imap" : "smtp",
				accessTokenTTL: 600,
				accessTokenFormat: form(resource) === "opaque" ?
					"opaque" : "jwt",
				jwt: { sign: { alg: form(resource) === "other" ?
					"ES256" : form(resource) } },
			}),
		},
	},
});

createServer({ cert: readFileSync(conf.cert), key: readFileSync(conf.key) },
	provider.callback()).listen(conf.port, "127.0.0.1");
