"""Pure codecs: provider bytes to documents and back."""
