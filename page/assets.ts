/** A file of the page as it is sent. */
export interface Asset {
  /** Its path; but for the document it changes with the content. */
  readonly path: string
  readonly contentType: string
  readonly text: string
  readonly tag: string
}

/**
 * The files of the page. From source they are made when they are first wanted; the build puts what it made in place of
 * this function (build.ts).
 */
export async function loadAssets(): Promise<readonly Asset[]> {
  const { makeAssets } = await import('./make-assets.ts')
  return await makeAssets()
}
