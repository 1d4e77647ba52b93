# Persian

code-subject = کد { $app } شما { $code } است
code-subject-unnamed = کد شما { $code } است
code-heading = کد { $app } شما
code-heading-unnamed = کد شما
code-text = کد { $app } شما: { $code }
code-text-unnamed = کد شما: { $code }
code-expiry = این کد یک‌بارمصرف است و تا { $lifetime } دیگر اعتبار دارد.
code-link = یا برای ورود این پیوند را باز کنید:
code-button = ورود
code-warning = این کد را به هیچ‌کس ندهید. اگر آن را درخواست نکرده‌اید، می‌توانید این پیام را نادیده بگیرید.

login-subject = ورود به { $app }
login-subject-unnamed = ورود
login-link = برای ورود، این پیوند را در دستگاهی که آن را درخواست کرده‌اید باز کنید:
login-copy = برای ورود، این متن را در جایی که آن را درخواست کرده‌اید وارد کنید:
login-button = ورود
login-warning = این پیام را به هیچ‌کس ندهید. اگر آن را درخواست نکرده‌اید، می‌توانید آن را نادیده بگیرید.

recovery-subject = بازیابی حساب { $app } شما
recovery-subject-unnamed = بازیابی حساب شما
recovery-link = برای بازیابی حساب، این پیوند را در دستگاهی که آن را درخواست کرده‌اید باز کنید:
recovery-copy = برای بازیابی حساب، این متن را در جایی که آن را درخواست کرده‌اید وارد کنید:
recovery-button = بازیابی حساب
recovery-warning = این پیام را به هیچ‌کس ندهید. اگر آن را درخواست نکرده‌اید، شاید شخص دیگری می‌خواهد وارد حساب شما شود؛ می‌توانید این پیام را نادیده بگیرید.

bundle-expiry = تا { $lifetime } دیگر اعتبار دارد.

sms = کد { $app } شما: { $code }
sms-unnamed = کد شما: { $code }
sms-full = { sms }. اعتبار: { $lifetime }.
sms-full-unnamed = { sms-unnamed }. اعتبار: { $lifetime }.

minutes = { $number } دقیقه
hours = { $number } ساعت
days = { $number } روز
