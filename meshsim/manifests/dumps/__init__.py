"""What live proxies hold, read from the files that their tools print."""
