"""Panels: controls on top of drawings, one file a panel."""
