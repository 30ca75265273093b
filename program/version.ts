import project from '../package.json' with { type: 'json' }

/** Of all programs alike: the project's. */
export const version: string = project.version
