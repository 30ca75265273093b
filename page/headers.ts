/*
 * What every answer carries. The page is its own files and nothing else: no script or style inside the document, nothing
 * from elsewhere, no frame around it, and no text that a browser would take for markup (Trusted Types), so that the name of
 * a Service is a name, whatever it is.
 */

/** Headers of every answer. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/** A file whose name changes with what is in it. */
export const foreverCached = 'public, max-age=31536000, immutable'
/** May be kept, and is asked for again each time. */
export const revalidated = 'no-cache'
/** For whoever has the token, and nobody between. */
export const privateRevalidated = 'private, no-cache'
