/** As AWS IoT takes it. It ends up in topics, object keys and policies: nothing else may pass. */
export const THING_NAME = /^[a-zA-Z0-9:_-]{1,128}$/;
