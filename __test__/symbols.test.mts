// The addon's OpenSSL is its own: linked otherwise, it would be Node's, of another version.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

import { root } from './markdown.mjs';

const OPENSSL =
  /^_?(SSL|TLS|DTLS|OPENSSL|OSSL|CRYPTO|EVP|X509|X509V3|BIO|BN|ERR|RSA|DSA|DH|EC|ECDSA|ECDH|ASN1|PEM|PKCS7|PKCS12|OCSP|CONF|ENGINE|RAND|HMAC|SHA\d*|AES|OBJ|UI|d2i|i2d)_/;

/** Names without versions, as `nm -D` lists them. */
function symbols(...options: string[]): string[] {
  const addons = readdirSync(join(root, 'native')).filter(name => name.endsWith('.node'));
  return addons.flatMap(name => {
    const path = join(root, 'native', name);
    const { status, stdout, error } = spawnSync('nm', ['-D', ...options, path], {
      encoding: 'utf8',
    });
    if (status !== 0) throw error ?? new Error(`nm could not read ${name}`);
    const names = stdout.trim().split('\n');
    return names.map(line => (line.split(' ').at(-1) ?? '').replace(/@.*/, ''));
  });
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('nothing_but_the_registration_of_the_module_is_exported', t => {
  t.deepEqual(symbols('--defined-only'), ['napi_register_module_v1']);
});

onLinux('no_symbol_of_openssl_is_taken_from_the_process', t => {
  const taken = symbols('--undefined-only');
  t.true(taken.includes('napi_create_function'), 'nm shows what the addon takes');
  t.deepEqual(
    taken.filter(name => OPENSSL.test(name)),
    [],
  );
});

test('names_of_openssl_are_recognised', t => {
  for (const name of ['SSL_connect', 'EVP_DigestInit_ex', 'X509_free', 'd2i_X509', 'RAND_bytes']) {
    t.regex(name, OPENSSL);
  }
});
