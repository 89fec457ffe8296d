// A URL as it is shown: in output, in errors and in charts.

/** Without name and password, which may stand before the host. */
export function shownUrl(url: string): string {
  // Of what is no URL it is not known where the host begins.
  const isKnown = /^wss?:\/\//i.test(url) && URL.canParse(url);
  const credentials = isKnown ? /^(\w+:\/\/)[^/?#]*@/ : /^(\w+:\/\/)?.*@/s;
  return url.replace(credentials, '$1***@');
}
