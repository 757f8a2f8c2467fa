// Submits a file with nodemailer.
//
//	nodemailer.js PORT implicit|starttls CERTIFICATE MECHANISM USER PASSWORD
//	    FROM TO FILE
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, tls, cert, mechanism, user, pass, from, to, file] =
    process.argv.slice(2);
nodemailer.createTransport({
	host: "localhost", port: Number(port), secure: tls === "implicit",
	requireTLS: true, name: "client.example", authMethod: mechanism,
	auth: { user, pass }, tls: { ca: fs.readFileSync(cert) },
}).sendMail({ envelope: { from, to }, raw: fs.readFileSync(file) }).then(
    (sent) => console.log(sent.response),
    (error) => { console.error(error.message); process.exit(1); });
